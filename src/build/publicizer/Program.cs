// publicizer SOURCE.dll DESTINATION.dll Namespace.Type[+Nested] …
// Copies an assembly and makes the named types and their internal members public, by flipping the access bits in its metadata tables.
// The copy is a compile-time reference only: it is never shipped and never loaded. A type that is gone is a build error.
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

const int AccessMask = 7;               // FieldAttributes and MethodAttributes share their access bits (ECMA-335 II.23.1.5, .10)
const int FamilyAndAssembly = 2, Assembly = 3, Public = 6;
const int TypePublic = 1, TypeNestedPublic = 2;
const int MethodFlagsOffset = 6;        // MethodDef row: RVA (4), ImplFlags (2), Flags; TypeDef and Field rows begin with their flags

string source = args[0], destination = args[1];
HashSet<string> wanted = [.. args[2..]];
byte[] image = File.ReadAllBytes(source);
using var reader = new PEReader(new MemoryStream((byte[])image.Clone()));
MetadataReader metadata = reader.GetMetadataReader();

foreach (TypeDefinitionHandle handle in metadata.TypeDefinitions)
{
    TypeDefinition type = metadata.GetTypeDefinition(handle);
    if (!wanted.Remove(FullName(type)))
        continue;
    SetAccess(RowOffset(TableIndex.TypeDef, handle), type.IsNested ? TypeNestedPublic : TypePublic);
    foreach (MethodDefinitionHandle method in type.GetMethods())
        Open(RowOffset(TableIndex.MethodDef, method) + MethodFlagsOffset);
    foreach (FieldDefinitionHandle field in type.GetFields())
        Open(RowOffset(TableIndex.Field, field));
}

if (wanted.Count > 0)
{
    Console.Error.WriteLine($"error PUB001: {Path.GetFileName(source)} has no {string.Join(", ", wanted)}");
    return 1;
}
Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(destination))!);
File.WriteAllBytes(destination, image);
return 0;

int RowOffset(TableIndex table, EntityHandle handle) => reader.PEHeaders.MetadataStartOffset
    + metadata.GetTableMetadataOffset(table) + (MetadataTokens.GetRowNumber(handle) - 1) * metadata.GetTableRowSize(table);

string FullName(TypeDefinition type) => type.IsNested
    ? FullName(metadata.GetTypeDefinition(type.GetDeclaringType())) + "+" + metadata.GetString(type.Name)
    : metadata.GetString(type.Namespace) + "." + metadata.GetString(type.Name);

void Open(int offset)
{
    if ((image[offset] & AccessMask) is FamilyAndAssembly or Assembly)
        SetAccess(offset, Public);
}

void SetAccess(int offset, int access) => image[offset] = (byte)(image[offset] & ~AccessMask | access);
