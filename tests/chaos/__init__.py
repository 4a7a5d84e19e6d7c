"""./dev chaos: a real cluster under load, random faults, and the verdict.

schedule.py decides what happens when (from a seed, without any I/O), the faults_*.py say how, watch.py
looks at the cluster while it happens, evidence.py and causes.py compare afterwards, verdict.py sums up,
runner.py drives all of it.
"""
