"""One file per kind of image file; each registers itself with `image_format`."""
