DO $do$
BEGIN
    EXECUTE replace(pg_get_functiondef('medq_job_status_changed()'::regprocedure),
                    'd''''attente', 'd' || chr(8217) || 'attente');
    EXECUTE replace(pg_get_functiondef('medq_cancelled_message(integer, integer)'::regprocedure),
                    'Annulé' || chr(160) || ':', 'Annulé :');
END
$do$;
