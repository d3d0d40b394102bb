DROP TABLE archive_tasks;
