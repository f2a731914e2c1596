"""`make bench`: what things cost here, each beside a baseline measured in the same run."""
