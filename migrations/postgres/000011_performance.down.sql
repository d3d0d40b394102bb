-- Statistics and rebuilt indexes change no schema: there is nothing to undo.
SELECT 1;
