// What dwv makes of structured reports: node dwv.mjs REPORT.dcm … → JSON, one entry a report.
import fs from "node:fs";
import { createRequire } from "node:module";

const { AnnotationGroupFactory, DicomParser } = createRequire(import.meta.url)("dwv");
const at = (point) => point && [point.getX(), point.getY()];
const answers = [];
for (const path of process.argv.slice(2)) {
  const bytes = fs.readFileSync(path);
  const parser = new DicomParser();
  parser.parse(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const elements = parser.getDicomElements();
  const factory = new AnnotationGroupFactory();
  let drawings = [], error = null;
  try {
    const warning = factory.checkElements(elements);
    const group = warning === undefined || warning === "" ? factory.create(elements) : undefined;
    drawings = (group?.getList() ?? []).map((each) => ({
      tool: each.mathShape?.constructor.name, label: each.textExpr, uid: each.trackingUid, id: each.trackingId,
      begin: at(each.mathShape?.getBegin?.()), end: at(each.mathShape?.getEnd?.()),
    }));
  } catch (fault) {
    error = String(fault);
  }
  answers.push({ path, drawings, error });
}
fs.writeSync(1, `\n${JSON.stringify(answers)}\n`);
process.exit(0);
