"""The bridge from the log to Celery: plans offset ranges, follows `Faces`, keeps the watermark."""
