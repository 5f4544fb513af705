"""Writes a GGUF file's matrices in another type, for bench decode: all else stays.

  python3 -m venv venv && venv/bin/pip install gguf==0.17.1
  venv/bin/python bench/peers/convert_gguf.py model.gguf Q8_0 model-q8.gguf    # or BF16, F16
"""
import sys

from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType, quants

source, name, target = sys.argv[1:]
wanted = GGMLQuantizationType[name]
reader = GGUFReader(source)
writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
for field in reader.fields.values():
    if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
        continue
    kind, items = field.types[0], field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
    writer.add_key_value(field.name, field.contents(), kind, items)
writer.add_file_type(LlamaFileType[f"MOSTLY_{name}"])
for tensor in reader.tensors:
    values = quants.dequantize(tensor.data, tensor.tensor_type)
    kind = wanted if values.ndim == 2 else GGMLQuantizationType.F32
    writer.add_tensor(tensor.name, quants.quantize(values, kind), raw_dtype=kind)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
