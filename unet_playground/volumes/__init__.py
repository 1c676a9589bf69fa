"""Volumes: segmented, measured, written and reported."""
