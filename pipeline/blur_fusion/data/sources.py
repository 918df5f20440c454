"""Where data sets are published, and what they should hold."""

from __future__ import annotations

# As printed on the data set's page and in the works that use it (about 3.7 GB, no checksum given).
CERTH_URL = "http://mklab.iti.gr/files/imageblur/CERTH_ImageBlurDataset.zip"
CERTH_PAGE = "https://mklab.iti.gr/results/certh-image-blur-dataset/"
CERTH_TARGET = "data/certh"

# Images by folder (Mavridaki and Mezaris, ICIP 2014); some copies add TrainingSet/NewDigitalBlur.
CERTH_IMAGES = {
    "TrainingSet/Undistorted": 630,
    "TrainingSet/Artificially-Blurred": 150,
    "TrainingSet/Naturally-Blurred": 220,
    "EvaluationSet/DigitalBlurSet": 480,
    "EvaluationSet/NaturalBlurSet": 1000,
}
CERTH_SHEETS = ("EvaluationSet/DigitalBlurSet.xlsx", "EvaluationSet/NaturalBlurSet.xlsx")

KWENTAR_TARGET = "data/kwentar"
KWENTAR_LINE = (
    "kwentar's blur data set lies on Kaggle, for which you need an account: "
    "https://www.kaggle.com/datasets/kwentar/blur-dataset; put its folders sharp, "
    f"defocused_blurred and motion_blurred into {KWENTAR_TARGET}"
)
