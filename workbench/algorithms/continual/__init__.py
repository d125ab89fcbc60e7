"""Methods for streams: classes come one after the other, and none comes back."""
