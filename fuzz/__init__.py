"""Fuzzing: functions of the gateway that read what others wrote, on inputs that coverage guides.

``python -m fuzz`` runs it with atheris; the test suite runs the same targets for a moment without.
"""
