"""What builds the website. The functions on the internet load nothing of it."""
