//===- WorkloadReader.cpp - From JSON to a workload --------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One function for each kind of object in the file. Each takes the JSON value and its path, and either fills its part
// of the workload or records the first error; after an error the rest is not looked at.
//
//===----------------------------------------------------------------------===//

#include "Workload.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <cmath>
#include <limits>

using namespace mk;
using llvm::StringRef;
using llvm::Twine;
namespace json = llvm::json;

tl::unexpected<Error> Workload::fail(ErrorCode code, const Twine &path, const Twine &message) const {
  std::string where = path.str();
  return makeError(code, (Twine(file) + ": " + where + (where.empty() ? "" : ": ") + message).str());
}

/// A JSON value in a message, shortened.
static std::string show(const json::Value &value) {
  std::string text;
  llvm::raw_string_ostream(text) << value;
  if (text.size() > 60)
    text = text.substr(0, 57) + "...";
  return text;
}

/// A name that can stand in messages, files and expressions.
static bool isName(StringRef text) {
  return !text.empty() && (llvm::isAlpha(text.front()) || text.front() == '_') &&
         llvm::all_of(text, [](char c) { return llvm::isAlnum(c) || c == '_' || c == '.' || c == '-'; });
}

namespace {
class Reader {
public:
  Reader(Workload &workload, const ParameterSettings &settings) : workload(workload), settings(settings) {}

  Expected<void> read(const json::Value &root) {
    readRoot(root);
    if (error)
      return tl::unexpected<Error>(*error);
    return {};
  }

private:
  //===--------------------------------------------------------------------===//
  // Errors and access
  //===--------------------------------------------------------------------===//

  /// Records an error, unless there is one already. Returns false for use in a return.
  bool fail(const Twine &path, const Twine &message) {
    if (!error)
      error = workload.fail(ErrorCode::Malformed, path, message).value();
    return false;
  }
  bool wrong(const Twine &path, const json::Value &found, const Twine &expected) {
    return fail(path, "found " + show(found) + ", expected " + expected);
  }

  /// The object in 'value', which may have the given keys only.
  const json::Object *object(const json::Value &value, const Twine &path, const Twine &what,
                             llvm::ArrayRef<StringRef> keys) {
    const json::Object *object = value.getAsObject();
    if (!object) {
      wrong(path, value, what + " (an object)");
      return nullptr;
    }
    // The order of the keys in the hash table is not that of the file; the least unknown one is reported.
    std::optional<StringRef> unknown;
    for (const auto &member : *object)
      if (StringRef key = member.first; !llvm::is_contained(keys, key) && (!unknown || key < *unknown))
        unknown = key;
    if (unknown) {
      fail(path, "found the unknown key '" + *unknown + "', expected " + llvm::join(keys, ", "));
      return nullptr;
    }
    return object;
  }

  const json::Array *array(const json::Value &value, const Twine &path, const Twine &what) {
    const json::Array *array = value.getAsArray();
    if (!array)
      wrong(path, value, "a list of " + what);
    return array;
  }

  /// The member 'key', which has to be there.
  const json::Value *member(const json::Object &object, StringRef key, const Twine &path, const Twine &what) {
    const json::Value *value = object.get(key);
    if (!value)
      fail(path, "'" + key + "' is missing, expected " + what);
    return value;
  }

  //===--------------------------------------------------------------------===//
  // Numbers
  //===--------------------------------------------------------------------===//

  /// The value of parameter 'name'. Parameters may use others, in any order.
  bool parameter(StringRef name, const Twine &path, int64_t &value) {
    if (auto set = settings.find(name.str()); set != settings.end()) {
      value = set->second;
      return true;
    }
    const json::Value *spec = parameters ? parameters->get(name) : nullptr;
    if (!spec)
      return fail(path, "unknown parameter '$" + name + "'; the workload has " + parameterNames());
    if (llvm::is_contained(resolving, name))
      return fail("parameters." + name, "its value depends on itself");
    resolving.push_back(name);
    bool good = integer(*spec, ("parameters." + name).str(), value);
    resolving.pop_back();
    return good;
  }

  /// In a fixed order, which a hash table does not have.
  llvm::SmallVector<StringRef> sortedParameters() const {
    llvm::SmallVector<StringRef> names;
    if (parameters)
      for (const auto &member : *parameters)
        names.push_back(member.first);
    llvm::sort(names);
    return names;
  }

  std::string parameterNames() const {
    llvm::SmallVector<StringRef> names = sortedParameters();
    return names.empty() ? "none" : llvm::join(names, ", ");
  }

  /// One factor of an expression: a number or a parameter.
  bool factor(StringRef text, const Twine &path, int64_t &value) {
    text = text.trim();
    if (text.consume_front("$"))
      return parameter(text, path, value);
    if (text.getAsInteger(10, value))
      return fail(path, "found '" + text + "', expected an integer or $NAME");
    return true;
  }

  /// Factors joined by * and /, from left to right. A division has to come out even.
  bool expression(StringRef text, const Twine &path, int64_t &value) {
    size_t end = text.find_first_of("*/");
    if (!factor(text.take_front(end), path, value))
      return false;
    while (end != StringRef::npos) {
      char op = text[end];
      text = text.drop_front(end + 1);
      end = text.find_first_of("*/");
      int64_t right;
      if (!factor(text.take_front(end), path, right))
        return false;
      if (op == '*') {
        std::optional<int64_t> product = llvm::checkedMul(value, right);
        if (!product)
          return fail(path, Twine(value) + " * " + Twine(right) + " does not fit 64 bits");
        value = *product;
        continue;
      }
      if (right <= 0)
        return fail(path, "division by " + Twine(right) + "; divisors have to be positive");
      if (value % right != 0)
        return fail(path, Twine(value) + " is not a multiple of " + Twine(right));
      value /= right;
    }
    return true;
  }

  /// An integer: a JSON number or an expression.
  bool integer(const json::Value &found, const Twine &path, int64_t &value) {
    if (std::optional<StringRef> text = found.getAsString())
      return expression(*text, path, value);
    std::optional<int64_t> number = found.getAsInteger();
    if (!number)
      return wrong(path, found, R"(an integer, or a string such as "$NAME*4")");
    value = *number;
    return true;
  }

  /// An integer of at least 'least' and at most 'most'.
  bool integerIn(const json::Value &found, const Twine &path, int64_t least, int64_t most, uint64_t &value) {
    int64_t number;
    if (!integer(found, path, number))
      return false;
    if (number < least || number > most) {
      std::string range = most == std::numeric_limits<int64_t>::max() ? ("at least " + Twine(least)).str()
                                                                      : (Twine(least) + " to " + Twine(most)).str();
      return fail(path, "found " + Twine(number) + ", expected an integer of " + range);
    }
    value = static_cast<uint64_t>(number);
    return true;
  }

  /// A number for 'series': into first (or second), and realFirst (or realSecond).
  bool number(const json::Value &found, const Twine &path, Series &series, bool isSecond) {
    uint64_t &whole = isSecond ? series.second : series.first;
    double &real = isSecond ? series.realSecond : series.realFirst;
    if (std::optional<StringRef> text = found.getAsString()) {
      std::optional<double> special = llvm::StringSwitch<std::optional<double>>(*text)
                                          .Case("inf", std::numeric_limits<double>::infinity())
                                          .Case("-inf", -std::numeric_limits<double>::infinity())
                                          .Case("nan", std::numeric_limits<double>::quiet_NaN())
                                          .Default(std::nullopt);
      if (special) {
        real = *special;
        series.real = true;
        return true;
      }
      int64_t value;
      if (!expression(*text, path, value))
        return false;
      whole = static_cast<uint64_t>(value);
      series.isNegative |= value < 0;
      real = static_cast<double>(value);
      return true;
    }
    if (std::optional<bool> flag = found.getAsBoolean()) {
      whole = *flag;
      real = *flag;
      return true;
    }
    std::optional<double> value = found.getAsNumber();
    if (!value)
      return wrong(path, found, "a number");
    real = *value;
    // -0.0 is no integer.
    if (std::optional<int64_t> integer = found.getAsInteger(); integer && !(*value == 0 && std::signbit(*value))) {
      whole = static_cast<uint64_t>(*integer);
      series.isNegative |= *integer < 0;
    } else if (std::optional<uint64_t> large = found.getAsUINT64(); large && *large > 0 && !isSecond) {
      whole = *large;
    } else {
      series.real = true;
    }
    return true;
  }

  bool iota(const json::Value &found, const std::string &path, Series &series) {
    const json::Object *object = this->object(found, path, "a series", {"start", "step"});
    if (!object)
      return false;
    series.kind = Series::Iota;
    series.second = 1;
    series.realSecond = 1;
    if (const json::Value *start = object->get("start"); start && !number(*start, path + ".start", series, false))
      return false;
    if (const json::Value *step = object->get("step"); step && !number(*step, path + ".step", series, true))
      return false;
    return true;
  }

  bool random(const json::Value &found, const std::string &path, Series &series) {
    const json::Object *object = this->object(found, path, "a random series", {"seed", "low", "high"});
    if (!object)
      return false;
    series.kind = Series::Random;
    int64_t seed = 0;
    if (const json::Value *value = object->get("seed"); value && !integer(*value, path + ".seed", seed))
      return false;
    series.seed = static_cast<uint64_t>(seed);
    const json::Value *low = object->get("low"), *high = object->get("high");
    // Without bounds: floats between 0 and 1.
    if (!low && !high) {
      series.real = true;
      series.realSecond = 1;
      return true;
    }
    if (low && !number(*low, path + ".low", series, false))
      return false;
    if (!high)
      return fail(path, "'high' is missing, expected the number that all values stay below");
    if (!number(*high, path + ".high", series, true))
      return false;
    bool ordered = series.real ? series.realFirst < series.realSecond && std::isfinite(series.realFirst) &&
                                     std::isfinite(series.realSecond)
                               : static_cast<int64_t>(series.first) < static_cast<int64_t>(series.second);
    if (!ordered)
      return fail(path, "'low' is not less than 'high', so that no value lies between them");
    return true;
  }

  /// A number or a series of numbers.
  bool series(const json::Value &found, const std::string &path, Series &series) {
    if (!found.getAsObject())
      return number(found, path, series, false);
    const json::Object *object = this->object(found, path, "a number", {"start", "step", "iota", "random"});
    if (!object)
      return false;
    if (object->get("start") || object->get("step")) {
      if (object->get("iota") || object->get("random"))
        return fail(path, "found both start or step and iota or random, expected one of them");
      return iota(found, path, series);
    }
    if (object->size() != 1)
      return wrong(path, found, R"(one of {"iota": ...} and {"random": ...})");
    if (const json::Value *value = object->get("iota"))
      return iota(*value, path + ".iota", series);
    return random(*object->get("random"), path + ".random", series);
  }

  /// A series of integers, for offsets and counts.
  bool integerSeries(const json::Value &found, const std::string &path, std::optional<Series> &result) {
    Series values;
    if (!series(found, path, values))
      return false;
    if (values.real)
      return wrong(path, found, "an integer or a series of integers");
    result = values;
    return true;
  }

  //===--------------------------------------------------------------------===//
  // Buffers
  //===--------------------------------------------------------------------===//

  bool fill(const json::Value &found, const std::string &path, FillSpec &spec) {
    const json::Object *object = this->object(found, path, "a fill", {"npy", "raw", "constant", "random", "iota"});
    if (!object)
      return false;
    spec.path = path;
    if (object->size() != 1)
      return wrong(path, found, "exactly one of npy, raw, constant, random and iota");
    for (StringRef key : {"npy", "raw"}) {
      const json::Value *value = object->get(key);
      if (!value)
        continue;
      std::optional<StringRef> name = value->getAsString();
      if (!name || name->empty())
        return wrong(path + "." + key, *value, "the name of a file");
      spec.kind = key == "npy" ? FillSpec::Npy : FillSpec::Raw;
      llvm::SmallString<128> file;
      if (!llvm::sys::path::is_absolute(*name))
        file = llvm::sys::path::parent_path(workload.file);
      llvm::sys::path::append(file, *name);
      spec.file = file.str().str();
      return true;
    }
    spec.kind = FillSpec::Values;
    if (const json::Value *value = object->get("constant"))
      return number(*value, path + ".constant", spec.values, false);
    if (const json::Value *value = object->get("iota"))
      return iota(*value, path + ".iota", spec.values);
    return random(*object->get("random"), path + ".random", spec.values);
  }

  bool buffer(const json::Value &found, const std::string &path) {
    const json::Object *object =
        this->object(found, path, "a buffer", {"name", "type", "count", "fill", "access", "tenants", "transient"});
    if (!object)
      return false;
    BufferSpec spec;
    spec.path = path;

    const json::Value *name = member(*object, "name", path, "the name of the buffer");
    if (!name)
      return false;
    spec.name = name->getAsString().value_or("").str();
    if (!isName(spec.name))
      return wrong(path + ".name", *name, "a name: a letter, then letters, digits, '_', '.' or '-'");
    if (bufferIndex.contains(spec.name))
      return fail(path + ".name", "there is already a buffer '" + spec.name + "'");

    const json::Value *type = member(*object, "type", path, R"(an element type such as "f32")");
    if (!type)
      return false;
    std::optional<ElementType> element = parseElementType(type->getAsString().value_or("").str());
    if (!element)
      return wrong(path + ".type", *type, "i1, i8, i16, i32, i64, f16, bf16, f32, f64 or index");
    spec.type = *element;

    if (const json::Value *value = object->get("fill"); value && !fill(*value, path + ".fill", spec.fill))
      return false;
    if (spec.fill.kind == FillSpec::Values && !fitsValues(spec.fill, spec.type))
      return false;
    if (const json::Value *value = object->get("count")) {
      uint64_t count;
      if (!integerIn(*value, path + ".count", 1, std::numeric_limits<int64_t>::max(), count))
        return false;
      spec.count = count;
    } else if (spec.fill.kind != FillSpec::Npy && spec.fill.kind != FillSpec::Raw) {
      return fail(path, "'count' is missing, expected the number of elements, or a fill from a file");
    }
    if (const json::Value *value = object->get("access")) {
      std::optional<uint32_t> access = llvm::StringSwitch<std::optional<uint32_t>>(value->getAsString().value_or(""))
                                           .Case("read", abi::AccessRead)
                                           .Case("write", abi::AccessWrite)
                                           .Case("read_write", abi::AccessReadWrite)
                                           .Default(std::nullopt);
      if (!access)
        return wrong(path + ".access", *value, R"("read", "write" or "read_write")");
      spec.access = *access;
    }
    if (const json::Value *value = object->get("transient")) {
      std::optional<bool> transient = value->getAsBoolean();
      if (!transient)
        return wrong(path + ".transient", *value, "true or false");
      if (*transient)
        spec.access |= abi::AccessTransient;
    }
    if (const json::Value *value = object->get("tenants")) {
      const json::Array *list = array(*value, path + ".tenants", "tenant ids");
      if (!list)
        return false;
      spec.tenants = 0;
      for (const auto &[i, tenant] : llvm::enumerate(*list)) {
        uint64_t id;
        if (!integerIn(tenant, path + ".tenants[" + Twine(i) + "]", 0, abi::MaxTenants - 1, id))
          return false;
        spec.tenants |= 1u << id;
      }
    }
    bufferIndex[spec.name] = workload.buffers.size();
    workload.buffers.push_back(std::move(spec));
    return true;
  }

  /// Whether the numbers of a fill can be of the buffer's type. Ranges are checked when the values are made.
  bool fitsValues(const FillSpec &fill, ElementType type) {
    bool isFloat =
        type == ElementType::F16 || type == ElementType::BF16 || type == ElementType::F32 || type == ElementType::F64;
    if (fill.values.real && !isFloat)
      return fail(fill.path, Twine("found floats, expected integers for a buffer of ") + stringifyElementType(type) +
                                 (fill.values.kind == Series::Random ? " (give low and high)" : ""));
    return true;
  }

  //===--------------------------------------------------------------------===//
  // Batches
  //===--------------------------------------------------------------------===//

  bool bufferNamed(StringRef name, const Twine &path, ArgSpec &arg) {
    auto found = bufferIndex.find(name.str());
    if (found == bufferIndex.end()) {
      llvm::SmallVector<StringRef> names;
      for (const BufferSpec &buffer : workload.buffers)
        names.push_back(buffer.name);
      return fail(path, "unknown buffer '" + name + "'; the workload has " +
                            (names.empty() ? "none" : llvm::join(names, ", ")));
    }
    arg.buffer = found->second;
    return true;
  }

  bool arg(const json::Value &found, const std::string &path, ArgSpec &arg) {
    arg.path = path;
    const json::Object *object = found.getAsObject();
    if (object && (object->get("buffer") || object->get("handle"))) {
      arg.isBuffer = true;
      object = this->object(found, path, "an argument", {"buffer", "handle", "offset", "count"});
      if (!object)
        return false;
      if (object->get("buffer") && object->get("handle"))
        return fail(path, "found both 'buffer' and 'handle', expected one of them");
      if (const json::Value *handle = object->get("handle")) {
        uint64_t value;
        if (!integerIn(*handle, path + ".handle", 0, std::numeric_limits<uint32_t>::max(), value))
          return false;
        arg.handle = static_cast<uint32_t>(value);
      } else {
        const json::Value *name = object->get("buffer");
        if (!name->getAsString())
          return wrong(path + ".buffer", *name, "the name of a buffer");
        if (!bufferNamed(*name->getAsString(), path + ".buffer", arg))
          return false;
      }
      const json::Value *offset = object->get("offset"), *count = object->get("count");
      if (!offset != !count)
        return fail(path, Twine("'") + (offset ? "count" : "offset") + "' is missing, expected both or neither");
      if (offset &&
          (!integerSeries(*offset, path + ".offset", arg.offset) || !integerSeries(*count, path + ".count", arg.count)))
        return false;
      return true;
    }
    // A string that can be no number is the name of a buffer.
    if (std::optional<StringRef> text = found.getAsString();
        text && isName(*text) && *text != "inf" && *text != "nan") {
      arg.isBuffer = true;
      return bufferNamed(*text, path, arg);
    }
    return series(found, path, arg.value);
  }

  /// The opcodes of an item: one name, or a list to pick from.
  bool opcodes(const json::Object &object, const std::string &path, ItemSpec &item) {
    const json::Value &op = *object.get("op");
    if (std::optional<StringRef> name = op.getAsString()) {
      item.names.push_back(name->str());
    } else {
      const json::Array *list = array(op, path + ".op", "opcodes, or the name of one");
      if (!list)
        return false;
      for (const auto &[i, name] : llvm::enumerate(*list)) {
        if (!name.getAsString())
          return wrong(path + ".op[" + Twine(i) + "]", name, "the name of an opcode");
        item.names.push_back(name.getAsString()->str());
      }
      if (list->empty())
        return fail(path + ".op", "found an empty list, expected the opcodes to pick from");
    }
    if (const json::Value *pick = object.get("pick")) {
      const json::Object *options = this->object(*pick, path + ".pick", "how to pick", {"seed"});
      if (!options)
        return false;
      int64_t seed = 0;
      if (const json::Value *value = options->get("seed"); value && !integer(*value, path + ".pick.seed", seed))
        return false;
      item.pickSeed = static_cast<uint64_t>(seed);
    }
    return true;
  }

  bool args(const json::Object &object, const std::string &path, ItemSpec &item) {
    const json::Value *value = member(object, "args", path, "the list of arguments");
    const json::Array *list = value ? array(*value, path + ".args", "arguments") : nullptr;
    if (!list)
      return false;
    for (const auto &[i, value] : llvm::enumerate(*list))
      if (!arg(value, (path + ".args[" + Twine(i) + "]").str(), item.args.emplace_back()))
        return false;
    return true;
  }

  /// The slots of a window that is given slot by slot.
  bool sequence(const json::Value &found, const std::string &path, ItemSpec &item) {
    const json::Array *list = array(found, path + ".sequence", "slots");
    if (!list)
      return false;
    if (list->empty() || list->size() > abi::MaxWindowLength)
      return fail(path + ".sequence",
                  "found " + Twine(list->size()) + " slots, expected 1 to " + Twine(abi::MaxWindowLength));
    for (const auto &[i, value] : llvm::enumerate(*list)) {
      ItemSpec &slot = item.slots.emplace_back();
      slot.path = (path + ".sequence[" + Twine(i) + "]").str();
      const json::Object *object = this->object(value, slot.path, "a slot", {"op", "pick", "args"});
      if (!object || !member(*object, "op", slot.path, "the name of an opcode") || !opcodes(*object, slot.path, slot) ||
          !args(*object, slot.path, slot))
        return false;
    }
    return true;
  }

  bool item(const json::Value &found, const std::string &path, ItemSpec &item) {
    item.path = path;
    const json::Object *object =
        this->object(found, path, "an item", {"op", "pick", "window", "sequence", "args", "count", "tenant"});
    if (!object)
      return false;
    const json::Value *window = object->get("window"), *slots = object->get("sequence");
    if (!!object->get("op") + !!window + !!slots != 1)
      return fail(path, "expected exactly one of 'op', 'window' and 'sequence'");
    if (object->get("op")) {
      item.kind = ItemSpec::Op;
      if (!opcodes(*object, path, item))
        return false;
    } else if (window) {
      item.kind = ItemSpec::Window;
      if (!window->getAsString())
        return wrong(path + ".window", *window, "the name of a window of the ISA");
      item.names.push_back(window->getAsString()->str());
    } else {
      item.kind = ItemSpec::Sequence;
    }
    if (item.kind != ItemSpec::Op && object->get("pick"))
      return fail(path + ".pick", "a choice is for 'op' only");
    if (const json::Value *count = object->get("count");
        count && !integerIn(*count, path + ".count", 0, std::numeric_limits<int64_t>::max(), item.count))
      return false;
    if (const json::Value *tenant = object->get("tenant")) {
      uint64_t id;
      if (!integerIn(*tenant, path + ".tenant", 0, abi::MaxTenants - 1, id))
        return false;
      item.tenant = static_cast<uint32_t>(id);
    }
    if (item.kind != ItemSpec::Sequence)
      return args(*object, path, item);
    if (object->get("args"))
      return fail(path + ".args", "in a sequence each slot has its own");
    return sequence(*slots, path, item);
  }

  bool graph(const json::Value &found, const std::string &path, BatchSpec &batch) {
    const json::Object *object = this->object(found, path, "a graph hint", {"nodes", "edges", "frontier_bps"});
    if (!object)
      return false;
    GraphHint hint;
    constexpr int64_t most = std::numeric_limits<uint32_t>::max();
    uint64_t number;
    if (const json::Value *value = object->get("nodes")) {
      if (!integerIn(*value, path + ".nodes", 0, most, number))
        return false;
      hint.nodes = static_cast<uint32_t>(number);
    }
    if (const json::Value *value = object->get("edges")) {
      if (!integerIn(*value, path + ".edges", 0, most, number))
        return false;
      hint.edges = static_cast<uint32_t>(number);
    }
    if (const json::Value *value = object->get("frontier_bps")) {
      if (!integerIn(*value, path + ".frontier_bps", 0, 10000, number))
        return false;
      hint.frontierDensityBps = static_cast<uint16_t>(number);
    }
    batch.submit.graph = hint;
    return true;
  }

  bool submitOptions(const json::Object &object, const std::string &path, SubmitOptions &submit) {
    auto number = [&](StringRef key, int64_t most, uint32_t &to) {
      uint64_t value = to;
      const json::Value *found = object.get(key);
      if (found && !integerIn(*found, path + "." + key, 0, most, value))
        return false;
      to = static_cast<uint32_t>(value);
      return true;
    };
    constexpr int64_t most = std::numeric_limits<uint32_t>::max();
    if (!number("priority", abi::PriorityLevels - 1, submit.priority) ||
        !number("expected_hits_per_item", most, submit.expectedHitsPerItem) ||
        !number("hit_capacity", most, submit.requestedHitCapacity))
      return false;
    if (const json::Value *ordered = object.get("ordered")) {
      if (!ordered->getAsBoolean())
        return wrong(path + ".ordered", *ordered, "true or false");
      submit.ordered = *ordered->getAsBoolean();
    }
    return true;
  }

  bool batch(const json::Value &found, const std::string &path) {
    const json::Object *object = this->object(
        found, path, "a batch",
        {"name", "repeat", "graph", "priority", "ordered", "expected_hits_per_item", "hit_capacity", "items"});
    if (!object)
      return false;
    BatchSpec spec;
    spec.path = path;
    spec.name = ("batch " + Twine(workload.batches.size())).str();
    if (const json::Value *name = object->get("name")) {
      spec.name = name->getAsString().value_or("").str();
      if (!isName(spec.name))
        return wrong(path + ".name", *name, "a name: a letter, then letters, digits, '_', '.' or '-'");
    }
    if (const json::Value *repeat = object->get("repeat");
        repeat && !integerIn(*repeat, path + ".repeat", 0, std::numeric_limits<int64_t>::max(), spec.repeat))
      return false;
    if (const json::Value *value = object->get("graph"); value && !graph(*value, path + ".graph", spec))
      return false;
    if (!submitOptions(*object, path, spec.submit))
      return false;
    const json::Value *items = member(*object, "items", path, "the list of slots and windows");
    const json::Array *list = items ? array(*items, path + ".items", "slots and windows") : nullptr;
    if (!list)
      return false;
    if (list->empty())
      return fail(path + ".items", "found an empty list, expected at least one slot or window");
    for (const auto &[i, value] : llvm::enumerate(*list))
      if (!item(value, (path + ".items[" + Twine(i) + "]").str(), spec.items.emplace_back()))
        return false;
    workload.batches.push_back(std::move(spec));
    return true;
  }

  bool readRoot(const json::Value &root) {
    const json::Object *object = this->object(root, "", "a workload", {"comment", "parameters", "buffers", "batches"});
    if (!object)
      return false;
    if (const json::Value *value = object->get("parameters")) {
      parameters = value->getAsObject();
      if (!parameters)
        return wrong("parameters", *value, "an object with names and integers");
    }
    for (const auto &[name, value] : settings)
      if (!parameters || !parameters->get(name))
        return fail("parameters", "--set gives '" + Twine(name) + "', but the workload has " + parameterNames());
    // Parameters that nothing uses are checked too.
    for (StringRef name : sortedParameters()) {
      int64_t value;
      if (!isName(name))
        return fail("parameters", "found '" + name + "', expected a name");
      if (!parameter(name, "parameters", value))
        return false;
    }

    const json::Value *buffers = member(*object, "buffers", "", "the list of buffers");
    const json::Array *bufferList = buffers ? array(*buffers, "buffers", "buffers") : nullptr;
    if (!bufferList)
      return false;
    for (const auto &[i, value] : llvm::enumerate(*bufferList))
      if (!buffer(value, ("buffers[" + Twine(i) + "]").str()))
        return false;

    const json::Value *batches = member(*object, "batches", "", "the list of batches");
    const json::Array *batchList = batches ? array(*batches, "batches", "batches") : nullptr;
    if (!batchList)
      return false;
    for (const auto &[i, value] : llvm::enumerate(*batchList))
      if (!batch(value, ("batches[" + Twine(i) + "]").str()))
        return false;
    return true;
  }

  Workload &workload;
  const ParameterSettings &settings;
  const json::Object *parameters = nullptr;
  std::map<std::string, uint32_t> bufferIndex;
  /// Parameters whose values are being worked out.
  llvm::SmallVector<StringRef> resolving;
  std::optional<Error> error;
};
} // namespace

Expected<Workload> mk::readWorkload(const std::string &file, const ParameterSettings &settings) {
  Workload workload;
  workload.file = file;
  auto buffer = llvm::MemoryBuffer::getFile(file, /*IsText=*/true);
  if (!buffer)
    return makeError(ErrorCode::NotFound, "cannot read the workload '" + file + "': " + buffer.getError().message());
  // The parser recurses with the brackets.
  int depth = 0;
  for (char c : (*buffer)->getBuffer()) {
    depth += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;
    if (depth > 256)
      return workload.fail(ErrorCode::Malformed, "", "nests brackets more than 256 deep, which no workload needs");
  }
  llvm::Expected<json::Value> root = json::parse((*buffer)->getBuffer());
  if (!root)
    return workload.fail(ErrorCode::Malformed, "", "malformed JSON: " + llvm::toString(root.takeError()));
  if (Expected<void> read = Reader(workload, settings).read(*root); !read)
    return tl::unexpected<Error>(read.error());
  return workload;
}
