"""The analytics role: results from `Faces` into events, alerts, occupancy and heatmaps, each exactly once."""
