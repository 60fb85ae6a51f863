-- A function is made anew from its own definition: its owner's rights and its search_path stay what they are.
DO $do$
BEGIN
    EXECUTE replace(pg_get_functiondef('medq_job_status_changed()'::regprocedure),
                    'd' || chr(8217) || 'attente', 'd''''attente');
    EXECUTE replace(pg_get_functiondef('medq_cancelled_message(integer, integer)'::regprocedure),
                    'Annulé :', 'Annulé' || chr(160) || ':');
END
$do$;
