"""The sandbox hub: the builder's and the client's side of a Koji hub."""
