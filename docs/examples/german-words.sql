ALTER TEXT SEARCH CONFIGURATION documents.words
    ALTER MAPPING FOR asciiword, asciihword, hword_asciipart, word, hword, hword_part WITH german_stem;
