"""From the stored rows of a study to a report. Runs without torch and Ray."""
