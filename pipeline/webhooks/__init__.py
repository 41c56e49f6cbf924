"""Webhooks: the secret addresses that the vendor calls, the server behind them, and receipts, which are hints."""
