"""What Ray Tune does for a study."""
