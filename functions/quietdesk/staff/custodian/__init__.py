"""What custodians do, who look after keys and sign for them."""
