"""Crash safety, proved on real processes: killed and stopped at every failpoint, judged by audit log and store."""
