// Reads text, image and vector columns row by row. ML.NET's image transforms dispose what they handed out as soon as the next row is asked for, so
// pixels become a tensor of the trained size at once.
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Imaging;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

/// <summary>A present value: text, or a float tensor that is outside every dispose scope, of pixels [3, H, W] in [−1, 1] or of a vector's values [channels, 1, length].</summary>
internal readonly record struct RowPart(string? Text, Tensor? Values);

internal static class PartReader
{
    /// <summary>Returns the current row's value on every call; null where it is missing. To ML.NET an empty text and a missing one are the same, and a vector is missing whose values all are.</summary>
    public static Func<RowPart?> Create(DataViewRow row, InputColumn column, TransfusionConfig config)
    {
        DataViewSchema.Column source = row.Schema[column.Name];
        if (column.IsImage)
        {
            Func<MLImage?> read = ImageReader(row.GetGetter<MLImage>(source));
            return () => read() is { } image
                ? new RowPart(null, ImageTensors.ToTensor(image, config.Image.ImageHeight, config.Image.ImageWidth).DetachFromDisposeScope()) : null;
        }
        if (column.IsVector)
            return VectorReader(row.GetGetter<VBuffer<float>>(source), column, config.Vector!);
        ValueGetter<ReadOnlyMemory<char>> getter = row.GetGetter<ReadOnlyMemory<char>>(source);
        ReadOnlyMemory<char> text = default;
        return () =>
        {
            getter(ref text);
            return text.IsEmpty ? null : new RowPart(text.ToString(), null);
        };
    }

    private static Func<RowPart?> VectorReader(ValueGetter<VBuffer<float>> getter, InputColumn column, VectorCodecConfig config)
    {
        VBuffer<float> buffer = default;
        float[] values = new float[config.NumberOfValues];
        return () =>
        {
            getter(ref buffer);
            buffer.CopyTo(values);
            if (values.All(float.IsNaN))
                return null;
            if (Array.FindIndex(values, value => !float.IsFinite(value)) is var at and >= 0)
                throw new FormatException($"Value {at} of the vector in column '{column.Name}' is {values[at]}. Replace it, with Transforms.ReplaceMissingValues for instance, or leave all values out.");
            return new RowPart(null, tensor(values, [config.NumberOfChannels, 1, config.Length]).DetachFromDisposeScope());
        };
    }

    /// <summary>Borrows the current row's image until the next call; null where it is missing.</summary>
    public static Func<MLImage?> ImageReader(ValueGetter<MLImage> getter)
    {
        MLImage? image = null;
        return () =>
        {
            MLImage? previous = image;
            getter(ref image!);
            // After a missing image, ResizeImages leaves the previous row's one in place, disposed.
            return image is null || (ReferenceEquals(image, previous) && IsDisposed(image)) ? null : image;
        };
    }

    private static bool IsDisposed(MLImage image)
    {
        try
        {
            return image.Width == 0;
        }
        catch (InvalidOperationException)                          // the only sign that MLImage gives
        {
            return true;
        }
    }
}
