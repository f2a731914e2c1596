"""What runs on staff computers only. Private keys live here; the function bundle leaves it out."""
