"""Starts and ends what the demo, the benchmarks and the system tests need.

Only the standard library and psycopg2; everything that is started is recorded and ended again,
whatever way this process goes.
"""
