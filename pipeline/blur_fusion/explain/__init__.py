"""Why a photo is judged as it is: blur map, Grad-CAM, kind and extent, focus measures."""
