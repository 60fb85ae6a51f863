-- Nothing is left of the platform's schema, data included.

DROP VIEW user_performance;
DROP VIEW question_statistics;
DROP TABLE "UserQuestionAnswer", "UserSession", "SessionQuestion", "Session", "AiValidationJob", "Question",
    "ClinicalCase", "Course", "Specialty", "User";
DROP FUNCTION update_session_question_count();
DROP FUNCTION calculate_user_session_score();
DROP FUNCTION validate_clinical_case_assignment();
