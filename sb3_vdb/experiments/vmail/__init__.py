"""V-MAIL on dm_control's tasks: settings, runs, table, pictures and report."""
