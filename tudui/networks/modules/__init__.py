"""Code on networks that needs torch; the modules beside this folder are imported without it."""
