"""Methods that search for an initialisation and its inner rates by populations."""
