DROP TABLE "CourseChunk", "CourseDocument";
