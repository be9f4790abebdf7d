// What a DICOM header says about the film and the patient: facts, each checked, none guessed (lungspot.images.dicom_facts).

import { dateOf, itemsOf, numbersOf, textOf, valuesOf, wordsOf } from "./dicom_values.js";
import { nearest } from "./exif.js";
import { UNKNOWN, mirrored, ofWords } from "./orientation.js";

const VIEW_CODES = {
  ...{ "399348003": "AP", "R-10206": "AP", "272479007": "PA", "R-10214": "PA", "R-40888": "PA" },
  ...{ "399067008": "LATERAL", "R-102CD": "LATERAL", "399173006": "LATERAL", "R-10236": "LATERAL", "399198007": "LATERAL", "R-10232": "LATERAL" },
};
const POSTURES = "|erect|upright|standing|sitting|semi erect|supine|portable|horizontal|axial|lying|bedside|mobile".split("|");
const FRONTS = {
  PA: ["pa", "posteroanterior", "postero anterior", "posterior anterior"],
  AP: ["ap", "anteroposterior", "antero posterior", "anterior posterior"],
};
const SIDEWAYS =
  "l|ll|rl|lat|lateral|left lateral|right lateral|lateral left|lateral right|ll erect|l lateral|lateral l|r lateral|lateral r|llat|rlat|lateral erect|profile".split("|");
const BESIDE = new Set("chest|thorax|view|projection|position|dx|cr|dr|xray|x|ray".split("|"));
const AGE_UNITS = { Y: 1, M: 1 / 12, W: 7 / 365.25, D: 1 / 365.25, "": 1 };
const CHEST = ["CHEST", "THORAX", "LUNG", "RIB", "HEART", "TORSO", "TRUNK", "BODY"];
const [ADULT, OLDEST] = [16, 130];
const TAKEN = ["StudyDate", "AcquisitionDate", "SeriesDate", "ContentDate", "AcquisitionDateTime"];
const SPACINGS = ["PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"];
const [SMALLEST, LARGEST, STEEPEST] = [0.001, 20, 10];
const DAY = 86400000;

/** PA, AP, LATERAL or UNKNOWN, by ViewPosition, else by the view code. */
export function view(dataset) {
  const said = viewOfWords(textOf(dataset, "ViewPosition"));
  if (said) return said;
  const codes = itemsOf(dataset, "ViewCodeSequence").map((item) => textOf(item, "CodeValue"));
  return VIEW_CODES[codes.find((code) => code in VIEW_CODES)] ?? "UNKNOWN";
}

function viewOfWords(text) {
  const words = (text.toLowerCase().match(/[a-z]+/g) ?? []).filter((word) => !BESIDE.has(word)).join(" ");
  if (SIDEWAYS.includes(words)) return "LATERAL";
  const said = ([, names]) => names.some((name) => POSTURES.some((posture) => `${name} ${posture}`.trim() === words));
  return Object.entries(FRONTS).find(said)?.[0] ?? null;
}

/** The patient's age in years, by PatientAge, else from the dates of birth and of the film. */
export function age(dataset) {
  const rounded = (years) => Math.round(years * 100) / 100;
  for (const said of wordsOf(dataset, "PatientAge")) {
    const found = /^(\d{1,4}(?:[.,]\d{1,3})?)[\s,.]*([YMWD]?)$/.exec(said);
    const years = found ? Number(found[1].replace(",", ".")) * AGE_UNITS[found[2]] : 0;
    if (years > 0 && years <= OLDEST) return rounded(years); // 000Y is how devices say that they do not know
  }
  const born = dateOf(dataset, "PatientBirthDate");
  const taken = TAKEN.map((keyword) => dateOf(dataset, keyword)).find((day) => day !== null) ?? null;
  if (born === null || taken === null) return null;
  const years = (taken - born) / DAY / 365.25;
  return years >= 0 && years <= OLDEST ? rounded(years) : null;
}

export function device(dataset) {
  const [manufacturer, model, station] = ["Manufacturer", "ManufacturerModelName", "StationName"].map((keyword) => textOf(dataset, keyword).slice(0, 64));
  return manufacturer || model || station ? { manufacturer, model, station } : null;
}

/** Whose film it is, for the page alone: nothing of it is stored. */
export function identity(dataset) {
  const day = (keyword) => {
    const found = dateOf(dataset, keyword);
    return found === null ? "" : new Date(found).toISOString().slice(0, 10);
  };
  return {
    patient_id: textOf(dataset, "PatientID"),
    patient_name: textOf(dataset, "PatientName"),
    birth_date: day("PatientBirthDate"),
    study_date: day("StudyDate"),
    accession: textOf(dataset, "AccessionNumber"),
    age_years: age(dataset),
  };
}

/** [row, column] millimetres a pixel; null where the file does not say. */
export const spacing = (dataset) => first(pair, dataset) ?? first(square, dataset);
const first = (read, dataset) => SPACINGS.reduce((found, keyword) => found ?? read(dataset, keyword), null);

function pair(dataset, keyword, most = LARGEST) {
  const values = valuesOf(dataset, keyword);
  const fair = (value) => value !== null && value > SMALLEST && value < most;
  const two = values.length >= 2 && fair(values[0]) && fair(values[1]) && values.slice(2).every((value) => value === null);
  return two ? values.slice(0, 2) : null;
}

/** The one number of two values, the other of which is empty or nonsense, for both. */
function square(dataset, keyword) {
  const values = valuesOf(dataset, keyword);
  const numbers = values.filter((value) => value !== null);
  return values.length === 2 && numbers.length === 1 && numbers[0] > SMALLEST && numbers[0] < LARGEST ? [numbers[0], numbers[0]] : null;
}

/** [high, wide] of a pixel in the smallest whole numbers. */
export function aspect(dataset) {
  const both = spacing(dataset) ?? pair(dataset, "PixelAspectRatio", 10000);
  if (!both) return [1, 1];
  const [high, wide] = nearest(both[0] / both[1]);
  return high / wide >= 1 / STEEPEST && high / wide <= STEEPEST ? [high, wide] : [1, 1];
}

/** Which side of the patient lies at which edge, and what is wrong with what the file says (else ""). */
export function orientation(dataset) {
  const [row = "", column = "", ...more] = wordsOf(dataset, "PatientOrientation");
  const byWords = more.some(Boolean) ? null : ofWords(row, column);
  const cosines = byCosines(numbersOf(dataset, "ImageOrientationPatient"));
  if (!byWords) return [UNKNOWN, "PatientOrientation makes no sense"];
  if (!byWords.right && !byWords.bottom) return [cosines, ""];
  const apart = ["right", "bottom"].some((edge) => byWords[edge] && cosines[edge] && byWords[edge] !== cosines[edge]);
  return apart ? [UNKNOWN, "PatientOrientation and ImageOrientationPatient contradict each other"] : [byWords, ""];
}

function byCosines(cosines) {
  if (cosines.length !== 6) return UNKNOWN;
  const words = [];
  for (const vector of [cosines.slice(0, 3), cosines.slice(3)]) {
    const sizes = vector.map(Math.abs);
    const axis = sizes.indexOf(Math.max(...sizes));
    if (!(sizes[axis] > 0.8 && sizes[axis] <= 1.01)) return UNKNOWN;
    words.push(["RL", "AP", "FH"][axis][Number(vector[axis] > 0)]);
  }
  return ofWords(...words) ?? UNKNOWN;
}

/** What the header alone makes worth knowing. */
export function notices(dataset) {
  const found = [];
  const say = (code, text) => found.push({ code, text });
  if (overlays(dataset, (group) => group.bits || group.data)) say("OVERLAY_IGNORED", "it has overlay planes");
  if (textOf(dataset, "BurnedInAnnotation").toUpperCase() === "YES") say("BURNED_IN", "BurnedInAnnotation is YES");
  if (textOf(dataset, "PresentationIntentType").toUpperCase() === "FOR PROCESSING") say("RAW", "PresentationIntentType is FOR PROCESSING");
  if (textOf(dataset, "SOPClassUID").startsWith("1.2.840.10008.5.1.4.1.1.7")) say("SECONDARY_CAPTURE", "the object is a secondary capture");
  const years = age(dataset);
  if (years !== null && years < ADULT) say("CHILD", `the patient is ${Number(years.toPrecision(6))} years old`);
  const part = textOf(dataset, "BodyPartExamined").toUpperCase();
  if (part && !CHEST.some((word) => part.includes(word))) say("BODY_PART", `BodyPartExamined is ${part}`);
  const shape = textOf(dataset, "PresentationLUTShape").toUpperCase();
  const photometric = textOf(dataset, "PhotometricInterpretation").toUpperCase();
  if ((shape === "INVERSE" && photometric === "MONOCHROME2") || (shape === "IDENTITY" && photometric === "MONOCHROME1"))
    say("POLARITY", `${photometric} with PresentationLUTShape ${shape}; ${photometric} was followed`);
  const one = first(pair, dataset) ? null : first(square, dataset);
  if (one) say("SPACING", `${one[0]} mm in one direction, nothing in the other`);
  const [sides, problem] = orientation(dataset);
  if (problem) say("ORIENTATION", problem);
  if (mirrored(sides)) say("MIRRORED", "PatientOrientation says so");
  return found;
}

/** Whether some overlay group is as wanted: `bits` where its plane lies in the pixels, `data` where it has its own. */
export function overlays(dataset, wanted) {
  for (let group = 0x6000; group < 0x6020; group += 2) {
    const tag = (element) => `x${group.toString(16)}${element}`;
    if (wanted({ bits: Boolean(dataset.elements[tag("0102")]), data: Boolean(dataset.elements[tag("3000")]) })) return true;
  }
  return false;
}
