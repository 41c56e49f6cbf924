"""What a media file is: its kind, size and length, and a still of it. What needs PyAV and Pillow says so."""
