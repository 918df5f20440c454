"""From a published archive to a data set's folder: download, unpack, count."""
