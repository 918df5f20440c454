"""Published systems that people start from, each trained once as its authors did."""
