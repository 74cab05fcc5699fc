import type { PeerHardware } from "../peer.ts";

// zod takes most of what a report costs, and a fleet reports all it has at once. What a Sinew of today sends is recognised
// here at a tenth of that; whatever is not (optional parts left out, odd dates, any fault) is zod's to judge.

const GUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;
/** RFC 3339 in UTC, without the last days of a month, which are not in each. */
const TIME = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?Z$/;
const ADDRESS = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-1][0-9a-f]\.[0-7]$/;
const HEX = { 2: /^[0-9a-f]{2}$/, 4: /^[0-9a-f]{4}$/, 6: /^[0-9a-f]{6}$/ };

type Raw = Record<string, unknown>;

const isObject = (value: unknown): value is Raw => typeof value === "object" && value !== null && !Array.isArray(value);
const isString = (value: unknown): value is string => typeof value === "string";
const isInt = (value: unknown) => Number.isSafeInteger(value);
const isNumber = (value: unknown) => Number.isFinite(value);
const isBoolean = (value: unknown) => typeof value === "boolean";
const matches = (pattern: RegExp, value: unknown) => isString(value) && pattern.test(value);
const isText = (value: unknown, max: number) =>
  isString(value) && value.length > 0 && value.length <= max && !value.includes("\0") && value.isWellFormed();
const orNull = (is: (value: unknown) => boolean, value: unknown) => value === null || is(value);
const areAll = (value: unknown, max: number, is: (one: unknown) => boolean) =>
  Array.isArray(value) && value.length <= max && value.every(is);

const isSerial = (value: unknown) => isObject(value) && isString(value.kind) && isString(value.value);

const isAttribute = (value: unknown) => isString(value) || isBoolean(value) || isNumber(value);

const isRecord = (value: unknown, is: (one: unknown) => boolean) =>
  isObject(value) && !Object.hasOwn(value, "__proto__") && Object.values(value).every(is);

const isCondition = (value: unknown) =>
  isObject(value) &&
  isString(value.type) &&
  (value.status === "true" || value.status === "false" || value.status === "unknown") &&
  isString(value.reason) &&
  isString(value.message) &&
  orNull(isString, value.action) &&
  matches(TIME, value.since);

const isSpecs = (value: unknown) =>
  isObject(value) &&
  isInt(value.remote) &&
  isInt(value.num) &&
  isText(value.device_type, 64) &&
  isRecord(value.acc_capability, () => true);

const isStatus = (value: unknown) =>
  isObject(value) &&
  value.reboot_equired === undefined &&
  isBoolean(value.setup_required) &&
  isBoolean(value.reboot_required) &&
  isBoolean(value.ready) &&
  areAll(value.conditions, 64, isCondition);

const isLink = (value: unknown) =>
  isObject(value) &&
  orNull(isNumber, value.speed_gts) &&
  orNull(isInt, value.width) &&
  orNull(isNumber, value.max_speed_gts) &&
  orNull(isInt, value.max_width);

const isSriov = (value: unknown) =>
  isObject(value) &&
  orNull(isInt, value.total) &&
  orNull(isInt, value.enabled) &&
  orNull(isString, value.pf) &&
  orNull(isInt, value.vf_index);

const isBar = (value: unknown) =>
  isObject(value) &&
  isInt(value.index) &&
  (value.type === "mem64" || value.type === "mem32" || value.type === "io") &&
  isBoolean(value.prefetchable) &&
  orNull(isNumber, value.size);

const isPci = (value: unknown) =>
  isObject(value) &&
  matches(ADDRESS, value.address) &&
  isText(value.path, 1024) &&
  [value.parent, value.slot, value.label, value.vendor, value.device, value.kernel_driver].every((one) =>
    orNull(isString, one),
  ) &&
  matches(HEX[4], value.vendor_id) &&
  matches(HEX[4], value.device_id) &&
  (value.subsystem_vendor_id === null || matches(HEX[4], value.subsystem_vendor_id)) &&
  (value.subsystem_device_id === null || matches(HEX[4], value.subsystem_device_id)) &&
  matches(HEX[6], value.class) &&
  (value.revision === null || matches(HEX[2], value.revision)) &&
  orNull(isInt, value.numa_node) &&
  orNull(isInt, value.iommu_group) &&
  orNull(isLink, value.link) &&
  orNull(isSriov, value.sriov) &&
  areAll(value.bars, Number.POSITIVE_INFINITY, isBar);

/** Whether a device is one that the schema of PeerHardware accepts. False says nothing: the schema has to be asked. */
export const isPlainHardware = (raw: unknown): raw is PeerHardware =>
  isObject(raw) &&
  matches(GUID, raw.uuid) &&
  isString(raw.name) &&
  raw.name.length > 0 &&
  raw.name.length <= 1024 &&
  isText(raw.source, 1024) &&
  matches(TIME, raw.first_seen) &&
  (raw.freshness === "FRESH" || raw.freshness === "STALE" || raw.freshness === "GONE") &&
  areAll(raw.serials, 64, isSerial) &&
  isRecord(raw.attributes, isAttribute) &&
  isSpecs(raw.acc_specs) &&
  isStatus(raw.acc_status) &&
  orNull(isPci, raw.pci);
