"""A face: the pages that a staff computer serves to itself, and to nobody else."""
