// What @cornerstonejs/adapters makes of structured reports: node cornerstone.mjs REPORT.dcm … → JSON, one entry a report.
import fs from "node:fs";

globalThis.window = globalThis.self = globalThis;
const dcmjs = (await import("dcmjs")).default;
const { adaptersSR } = await import("@cornerstonejs/adapters");
const { metaData } = await import("@cornerstonejs/core");

// A plane whose world coordinates are the film's pixels: corners read back are those that were written.
const plane = {
  frameOfReferenceUID: "1.2", rows: 5000, columns: 5000, rowCosines: [1, 0, 0], columnCosines: [0, 1, 0],
  imageOrientationPatient: [1, 0, 0, 0, 1, 0], imagePositionPatient: [0, 0, 0],
  rowPixelSpacing: 1, columnPixelSpacing: 1, pixelSpacing: [1, 1],
};
metaData.addProvider((kind) => (kind === "imagePlaneModule" ? plane : undefined), 1000);

const answers = [];
for (const path of process.argv.slice(2)) {
  const bytes = fs.readFileSync(path);
  const file = dcmjs.data.DicomMessage.readFile(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const report = dcmjs.data.DicomMetaDictionary.naturalizeDataset(file.dict);
  const warnings = [];
  console.warn = (...words) => warnings.push(words.map(String).join(" "));
  const images = new Proxy({}, { get: () => "film" });
  let found = {}, error = null;
  try {
    found = adaptersSR.Cornerstone3D.MeasurementReport.generateToolState(report, images, metaData);
  } catch (fault) {
    error = String(fault);
  }
  const drawings = Object.entries(found).flatMap(([tool, all]) =>
    all.map((each) => ({
      tool, label: each.annotation.data.label, finding: each.description, uid: each.TrackingUniqueIdentifier,
      corners: each.annotation.data.handles.points?.map((point) => Array.from(point).slice(0, 2)),
    })),
  );
  answers.push({ path, drawings, warnings, error });
}
fs.writeSync(1, `\n${JSON.stringify(answers)}\n`);
process.exit(0);
