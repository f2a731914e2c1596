"""What opens: the keyring of this computer, its published keys, signing in, and unsealing."""
