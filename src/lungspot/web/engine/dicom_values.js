// Values out of a DICOM data set that may be damaged, each checked (lungspot.images.dicom_values). What makes no sense is
// as if it were absent, and takes nothing else with it. A data set is dicom-parser's.

// keyword → tag, and the VR that implicit files do not say
const TAGS = {
  TransferSyntaxUID: ["x00020010", "UI"],
  MediaStorageSOPClassUID: ["x00020002", "UI"],
  SOPClassUID: ["x00080016", "UI"],
  SOPInstanceUID: ["x00080018", "UI"],
  StudyDate: ["x00080020", "DA"],
  SeriesDate: ["x00080021", "DA"],
  AcquisitionDate: ["x00080022", "DA"],
  ContentDate: ["x00080023", "DA"],
  AcquisitionDateTime: ["x0008002a", "DT"],
  AccessionNumber: ["x00080050", "SH"],
  Modality: ["x00080060", "CS"],
  PresentationIntentType: ["x00080068", "CS"],
  Manufacturer: ["x00080070", "LO"],
  CodeValue: ["x00080100", "SH"],
  StationName: ["x00081010", "SH"],
  ManufacturerModelName: ["x00081090", "LO"],
  PatientName: ["x00100010", "PN"],
  PatientID: ["x00100020", "LO"],
  PatientBirthDate: ["x00100030", "DA"],
  PatientAge: ["x00101010", "AS"],
  PatientSpeciesDescription: ["x00102201", "LO"],
  BodyPartExamined: ["x00180015", "CS"],
  ImagerPixelSpacing: ["x00181164", "DS"],
  NominalScannedPixelSpacing: ["x00182010", "DS"],
  ViewPosition: ["x00185101", "CS"],
  PatientOrientation: ["x00200020", "CS"],
  ImageOrientationPatient: ["x00200037", "DS"],
  SamplesPerPixel: ["x00280002", "US"],
  PhotometricInterpretation: ["x00280004", "CS"],
  PlanarConfiguration: ["x00280006", "US"],
  NumberOfFrames: ["x00280008", "IS"],
  Rows: ["x00280010", "US"],
  Columns: ["x00280011", "US"],
  PixelSpacing: ["x00280030", "DS"],
  PixelAspectRatio: ["x00280034", "IS"],
  BitsAllocated: ["x00280100", "US"],
  BitsStored: ["x00280101", "US"],
  HighBit: ["x00280102", "US"],
  PixelRepresentation: ["x00280103", "US"],
  PixelPaddingValue: ["x00280120", "US"],
  PixelPaddingRangeLimit: ["x00280121", "US"],
  BurnedInAnnotation: ["x00280301", "CS"],
  WindowCenter: ["x00281050", "DS"],
  WindowWidth: ["x00281051", "DS"],
  RescaleIntercept: ["x00281052", "DS"],
  RescaleSlope: ["x00281053", "DS"],
  VOILUTFunction: ["x00281056", "CS"],
  LossyImageCompression: ["x00282110", "CS"],
  ModalityLUTSequence: ["x00283000", "SQ"],
  LUTDescriptor: ["x00283002", "US"],
  LUTData: ["x00283006", "OW"],
  VOILUTSequence: ["x00283010", "SQ"],
  ViewCodeSequence: ["x00540220", "SQ"],
  PresentationLUTShape: ["x20500020", "CS"],
};
const BINARY = { US: ["getUint16", 2], SS: ["getInt16", 2], UL: ["getUint32", 4], SL: ["getInt32", 4], FL: ["getFloat32", 4], FD: ["getFloat64", 8] };
const NUMBER = /^[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?$/;

export const tagOf = (keyword) => TAGS[keyword][0];
export const elementOf = (dataset, keyword) => dataset.elements[tagOf(keyword)];
export const has = (dataset, keyword) => Boolean(elementOf(dataset, keyword));
export const bytesOf = (dataset, { dataOffset, length }) => dataset.byteArray.subarray(dataOffset, dataOffset + length);
export const isLittle = (dataset) => dataset.byteArrayParser.readUint16(new Uint8Array([1, 0]), 0) === 1;

/** The VR of an element: what the file says where that is one, else what the attribute has. */
const vrOf = (element, keyword) => (element.vr && element.vr !== "UN" ? element.vr : TAGS[keyword][1]);

/** The values of an attribute: numbers where they are binary, else words. */
function entries(dataset, keyword) {
  const element = elementOf(dataset, keyword);
  if (!element || element.items || element.dataOffset + element.length > dataset.byteArray.length) return [];
  const bytes = bytesOf(dataset, element);
  const binary = BINARY[vrOf(element, keyword)];
  if (!binary) return letters(bytes).split("\\");
  const [get, size] = binary;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, at) => view[get](at * size, isLittle(dataset)));
}

function letters(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("latin1").decode(bytes);
  }
}

const stripped = (entry) => String(entry).replace(/^[ \0]+|[ \0]+$/g, "");

/** The first value that is not empty, stripped; "" for none. */
export const textOf = (dataset, keyword) => (entries(dataset, keyword).map(stripped).find(Boolean) ?? "").slice(0, 128);

/** All values in capitals and stripped, each in its place. */
export const wordsOf = (dataset, keyword) => entries(dataset, keyword).map((each) => stripped(each).toUpperCase());

/** The values as finite numbers, each in its place; null for one that is empty or nonsense. */
export const valuesOf = (dataset, keyword) =>
  entries(dataset, keyword)
    .flatMap((each) => (typeof each === "string" && each.includes(",") && each.includes(".") ? each.split(",") : [each]))
    .map(number);

function number(entry) {
  if (typeof entry !== "number" && !NUMBER.test(stripped(entry))) return null;
  const value = typeof entry === "number" ? entry : Number(stripped(entry).replace(",", "."));
  return Number.isFinite(value) ? value : null;
}

export const numbersOf = (dataset, keyword) => valuesOf(dataset, keyword).filter((each) => each !== null);
export const numberOf = (dataset, keyword) => numbersOf(dataset, keyword)[0] ?? null;

export function wholeOf(dataset, keyword) {
  const value = numberOf(dataset, keyword);
  return Number.isInteger(value) ? value : null;
}

/** The first date of an attribute, in milliseconds of UTC; null for none. */
export function dateOf(dataset, keyword) {
  for (const entry of entries(dataset, keyword)) {
    const text = stripped(entry);
    const found = /^(\d{4})([.,/ -]?)(\d{2})\2(\d{2})(?!\d)/.exec(text) ?? /^(\d{4})()(\d{2})(\d{2})\d{2,6}/.exec(text);
    if (!found) continue;
    const [year, month, day] = [found[1], found[3], found[4]].map(Number);
    const made = new Date(Date.UTC(year, month - 1, day));
    if (year > 0 && made.getUTCMonth() === month - 1 && made.getUTCDate() === day) return made.getTime();
  }
  return null;
}

/** The items of a sequence, each a data set. */
export const itemsOf = (dataset, keyword) => (elementOf(dataset, keyword)?.items ?? []).flatMap(({ dataSet }) => dataSet ?? []);
