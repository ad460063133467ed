"""The only floor that speaks to the hub: session, calls, uploads, certificates."""
