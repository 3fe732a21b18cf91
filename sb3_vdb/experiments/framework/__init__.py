"""What every study needs: runs in folders, jobs, logs of evaluations, tables, pages and plots."""
