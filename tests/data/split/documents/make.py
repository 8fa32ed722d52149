"""Makes the documents beside it: pip install python-docx python-pptx openpyxl odfpy EbookLib reportlab."""

import datetime

import docx
import ebooklib.epub as epub
import openpyxl
import pptx
from odf.opendocument import OpenDocumentText
from odf.table import Table, TableCell, TableRow
from odf.text import H, List, ListItem, P
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import BaseDocTemplate, Frame, FrameBreak, NextPageTemplate, PageBreak, PageTemplate, Paragraph

ROWS = [("what", "cost", "since"), ("flour", "1.20", "2023"), ("butter", "3.00", "2024")]


def word():
    d = docx.Document()
    d.core_properties.title = "Soup for sieves"
    d.add_heading("Soup", 1)
    d.add_paragraph("Sift it. Melt it with 1.5 l of water.")
    d.add_heading("Prices", 2)
    table = d.add_table(rows=0, cols=3)
    for row in ROWS:
        for cell, text in zip(table.add_row().cells, row):
            cell.text = text
    d.add_paragraph("You need:")
    d.add_paragraph("a sieve", style="List Bullet")
    d.add_paragraph("a bowl", style="List Bullet")
    d.add_page_break()
    d.add_paragraph("The end. It is near.")
    d.save("soup.docx")


def presentation():
    p = pptx.Presentation()
    slide = p.slides.add_slide(p.slide_layouts[1])
    slide.shapes.title.text = "Soup"
    body = slide.placeholders[1].text_frame
    body.text = "Sift it."
    body.add_paragraph().text = "Melt it with 1.5 l of water."
    slide.notes_slide.notes_text_frame.text = "Say it slowly."
    slide = p.slides.add_slide(p.slide_layouts[5])
    slide.shapes.title.text = "Prices"
    table = slide.shapes.add_table(3, 3, 0, 0, 5000000, 1000000).table
    for y, row in enumerate(ROWS):
        for x, text in enumerate(row):
            table.cell(y, x).text = text
    p.save("soup.pptx")


def sheet():
    book = openpyxl.Workbook()
    one = book.active
    one.title = "Prices"
    one.append(["what", "cost", "since"])
    one.append(["flour", 1.2, datetime.date(2023, 5, 1)])
    one.append(["butter", 3, datetime.date(2024, 6, 2)])
    two = book.create_sheet("Notes")
    two["A1"] = "A lone cell"
    two["XFD1048576"] = "far away"
    book.save("soup.xlsx")


def text():
    t = OpenDocumentText()
    t.text.addElement(H(outlinelevel=1, text="Soup"))
    t.text.addElement(P(text="Sift it. Melt it with 1.5 l of water."))
    t.text.addElement(H(outlinelevel=2, text="Prices"))
    table = Table()
    for row in ROWS:
        line = TableRow()
        for cell in row:
            c = TableCell()
            c.addElement(P(text=cell))
            line.addElement(c)
        table.addElement(line)
    t.text.addElement(table)
    items = List()
    for name in ("a sieve", "a bowl"):
        item = ListItem()
        item.addElement(P(text=name))
        items.addElement(item)
    t.text.addElement(P(text="You need:"))
    t.text.addElement(items)
    t.save("soup.odt")


def book():
    b = epub.EpubBook()
    b.set_title("Soup for sieves")
    chapters = []
    for n, (title, body) in enumerate([("Soup", "<p>Sift it. Melt it.</p>"), ("Prices", "<p>Flour is 1.20 &euro;.</p>")]):
        c = epub.EpubHtml(title=title, file_name=f"text/chapter {n}.xhtml")
        c.content = f"<h1>{title}</h1>{body}"
        b.add_item(c)
        chapters.append(c)
    b.spine = chapters
    b.add_item(epub.EpubNcx())
    epub.write_epub("soup.epub", b)


def paper():
    plain = ParagraphStyle("plain", fontSize=10, leading=12, spaceAfter=6, firstLineIndent=12)
    head = ParagraphStyle("head", parent=plain, fontSize=14, leading=18, firstLineIndent=0)
    title = ParagraphStyle("title", parent=head, fontSize=20, leading=24)
    width, height = A4

    def running(canvas, doc):
        canvas.setFont("Helvetica", 8)
        canvas.drawString(50, height - 30, "The Journal of Sieves, vol. 7")
        canvas.drawCentredString(width / 2, 25, f"page {doc.page}")

    frames = [Frame(50, 50, 235, height - 160, id="left"), Frame(305, 50, 235, height - 160, id="right")]
    top = Frame(50, height - 110, width - 100, 60, id="top")
    d = BaseDocTemplate("paper.pdf", pagesize=A4, title="On sieves", invariant=1)
    d.addPageTemplates([
        PageTemplate("first", [top, *frames], onPage=running),
        PageTemplate("later", frames, onPage=running),
    ])
    story = [NextPageTemplate("later"), Paragraph("On sieves", title), FrameBreak()]
    for n in range(1, 13):
        story.append(Paragraph(f"{n} Section", head))
        for m in range(1, 5):
            words = "Sieves press food until only what matters is left over in the bowl below them, which is a prac-<br/>tice of cooks. "
            story.append(Paragraph(f"This is paragraph {n}.{m}. " + words * 3, plain))
    d.build(story)


word()
presentation()
sheet()
text()
book()
paper()
