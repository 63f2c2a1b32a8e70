"""Image files and images in requests -> arrays of pixels, in training and in serving."""
