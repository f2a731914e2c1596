"""What is done with what is open: order, proposals, places, and the openings that are published."""
