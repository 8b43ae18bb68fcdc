// Reads TensorBoard's event files back: TFRecord frames whose checksums must hold, an event in each.
using System.Buffers.Binary;
using System.Numerics;
using Tensorboard;

namespace Microsoft.ML.Transfusion.Tests.Data;

internal static class EventFile
{
    public static List<Event> Read(string path)
    {
        using var reader = new BinaryReader(File.OpenRead(path));
        List<Event> events = [];
        while (reader.BaseStream.Position < reader.BaseStream.Length)
        {
            byte[] length = reader.ReadBytes(8);
            Assert.Equal(MaskedCrc(length), reader.ReadUInt32());
            byte[] body = reader.ReadBytes((int)BinaryPrimitives.ReadInt64LittleEndian(length));
            Assert.Equal(MaskedCrc(body), reader.ReadUInt32());
            events.Add(Event.Parser.ParseFrom(body));
        }
        return events;
    }

    // CRC-32C, turned and shifted: https://www.tensorflow.org/tutorials/load_data/tfrecord
    private static uint MaskedCrc(byte[] bytes)
    {
        uint crc = ~bytes.Aggregate(uint.MaxValue, BitOperations.Crc32C);
        return BitOperations.RotateRight(crc, 15) + 0xA282EAD8u;
    }
}
