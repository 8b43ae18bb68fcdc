// Makes TorchSharp 0.107's libLibTorchSharp.so loadable with a libstdc++ older than GCC 13's, by editing its ELF image in memory.
// One symbol only is too new: std::ios_base_library_init(), which initialises the standard streams. ios_base::Init::Init() does the same
// and exists since GCC 3.4; it never touches its `this`. The symbol is renamed, its version lowered, and the need for 3.4.32 dropped.
// Layout: System V gABI "Symbol Table", Linux Standard Base "Symbol Versioning".
using System.Buffers.Binary;
using System.Text;

namespace Microsoft.ML.Transfusion.Torch;

internal static class LibStdCxxCompatibility
{
    public const string NewSymbol = "_ZSt21ios_base_library_initv";
    private const string OldSymbol = "_ZNSt8ios_base4InitC1Ev";
    private const string NewVersion = "GLIBCXX_3.4.32";
    private const string OldVersion = "GLIBCXX_3.4";
    private const uint SectionDynamicSymbols = 11, SectionVersionNeeds = 0x6ffffffe, SectionVersions = 0x6fffffff;
    private const int SectionHeaderSize = 64, SymbolSize = 24;

    /// <summary>Returns the image with the one symbol replaced; an image that does not need the new version comes back as it is.</summary>
    /// <exception cref="BadImageFormatException">The image is damaged, or another symbol needs the new version too, so this repair would not be enough.</exception>
    public static byte[] Repair(byte[] image)
    {
        try
        {
            return RepairIntact(image);
        }
        catch (Exception exception) when (exception is ArgumentException or IndexOutOfRangeException or OverflowException)
        {
            throw new BadImageFormatException("The library is no ELF image, or a damaged or truncated one. Restore the package TorchSharp again.", exception);
        }
    }

    private static byte[] RepairIntact(byte[] image)
    {
        var elf = new Elf(image);
        (int needed, int available) = elf.FindVersions();
        if (needed == 0)
            return image;
        if (available == 0)
            throw new BadImageFormatException($"The library needs {NewVersion} but not {OldVersion}: it is not TorchSharp 0.107's.");
        elf.ReplaceSymbols(elf.UInt16(needed + 6), elf.UInt16(available + 6));
        elf.Copy(available, needed, 4);                            // vna_hash: the need for 3.4.32 becomes a second need for 3.4
        elf.Copy(available + 8, needed + 8, 4);                    // vna_name
        return image;
    }

    private readonly struct Elf(byte[] image)
    {
        public ushort UInt16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(offset));

        public void Copy(int from, int to, int count) => image.AsSpan(from, count).CopyTo(image.AsSpan(to));

        /// <summary>Offsets of the two Vernaux entries under libstdc++; 0 where there is none.</summary>
        public (int Needed, int Available) FindVersions()
        {
            (int strings, _) = LinkedStrings(SectionDynamicSymbols);
            (int file, _, _) = Section(SectionVersionNeeds);
            int needed = 0, available = 0;
            for (int next = -1; next != 0; file += next)
            {
                next = Int32(file + 12);                           // vn_next
                if (!Text(strings + Int32(file + 4)).StartsWith("libstdc++", StringComparison.Ordinal))
                    continue;
                int entry = file + Int32(file + 8);                // vn_aux
                for (int i = 0; i < UInt16(file + 2); i++, entry += Int32(entry + 12))
                {
                    string version = Text(strings + Int32(entry + 8));
                    needed = version == NewVersion ? entry : needed;
                    available = version == OldVersion ? entry : available;
                }
            }
            return (needed, available);
        }

        public void ReplaceSymbols(ushort fromVersion, ushort toVersion)
        {
            (int symbols, int size, _) = Section(SectionDynamicSymbols);
            (int strings, _) = LinkedStrings(SectionDynamicSymbols);
            (int versions, _, _) = Section(SectionVersions);
            for (int i = 0; i < size / SymbolSize; i++)
            {
                int version = versions + 2 * i;
                if (UInt16(version) != fromVersion)
                    continue;
                int name = strings + Int32(symbols + SymbolSize * i);
                if (Text(name) != NewSymbol)
                    throw new BadImageFormatException($"{Text(name)} needs {NewVersion}, which this machine's libstdc++ lacks. "
                        + "Install a libstdc++ of GCC 13 or later.");
                Encoding.ASCII.GetBytes(OldSymbol + '\0').CopyTo(image, name);
                BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(version), toVersion);
            }
        }

        private int Int32(int offset) => BinaryPrimitives.ReadInt32LittleEndian(image.AsSpan(offset));

        private int Int64(int offset) => checked((int)BinaryPrimitives.ReadInt64LittleEndian(image.AsSpan(offset)));

        private string Text(int offset) =>
            Encoding.ASCII.GetString(image, offset, image.AsSpan(offset).IndexOf((byte)0));

        private (int Offset, int Size, int Link) Section(uint type)
        {
            for (int i = 0; i < UInt16(0x3C); i++)                 // e_shnum
            {
                int header = Int64(0x28) + SectionHeaderSize * i;  // e_shoff
                if ((uint)Int32(header + 4) == type)
                    return (Int64(header + 24), Int64(header + 32), Int32(header + 40));
            }
            throw new BadImageFormatException($"The library has no ELF section of type 0x{type:x}.");
        }

        private (int Offset, int Size) LinkedStrings(uint type)
        {
            int header = Int64(0x28) + SectionHeaderSize * Section(type).Link;
            return (Int64(header + 24), Int64(header + 32));
        }
    }
}
