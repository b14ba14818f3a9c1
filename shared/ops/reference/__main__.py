from shared.ops.reference import DOCS, pages

for page, content in pages().items():
    (DOCS / page).write_text(content, "utf-8")
