"""`blur app`: judge photos in the browser; needs the extra `app`."""
