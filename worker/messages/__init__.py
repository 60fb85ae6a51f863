"""Every sentence and word that admins, teachers and students read in French, each with a name; a module per place.

| a reader meets                                      | in                                    |
|-----------------------------------------------------|---------------------------------------|
| where a job stands: `message`                       | `job_progress`, `database_states`     |
| why a job failed: `errorMessage`                    | `job_causes`, `provider_faults`       |
| what is wrong with what was asked of a job          | `job_config`                          |
| why a file is not read                              | `file_refusals`                       |
| what of a file was not read, or read otherwise      | `sheet_notes`                         |
| what is odd about one row, why it is refused        | `row_findings`                        |
| why a row came to its outcome                       | `row_reasons`, `verdict_reasons`      |
| what is published with a question                   | `published_text`                      |
| the words of the corrected workbook                 | `workbook_words`, `headers`           |
| why a decision is not taken                         | `decision_replies`                    |
| the pages, beside their templates                   | `page_words`                          |
| why a request is refused, on a page or by the API   | `web_problems`                        |
| what `medq eval` prints for teachers                | `model_worth`, `course_recall`        |
| what statuses are called                            | `status_words`                        |
| numbers, amounts and lists in all of them           | `phrases`                             |

Sentences are written with plain spaces and set where they leave (`worker/text/french.py`). French stands in three more
places: the pages' templates and script, what the database writes itself (`schema/functions`, and a few statements of
stores) and what a model is asked (`worker/llm/prompts`).
"""
