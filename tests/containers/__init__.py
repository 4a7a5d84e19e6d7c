"""./dev compose-test: what docker-compose.yml promises, tried on a real engine.

Not called `compose`: docker-compose 1.29 is a Python program with a package of that name.
"""
