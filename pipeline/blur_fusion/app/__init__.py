"""Pages that are served: `blur app` (extra `app`) and `blur review` (extra `review`)."""
