// Reads text and image columns row by row. ML.NET's image transforms dispose what they handed out as soon as the next row is asked for, so
// pixels become a tensor of the trained size at once.
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Imaging;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

/// <summary>A present value: text, or pixels as a float tensor [3, H, W] in [−1, 1] that is outside every dispose scope.</summary>
internal readonly record struct RowPart(string? Text, Tensor? Pixels);

internal static class PartReader
{
    /// <summary>Returns the current row's value on every call; null where it is missing. To ML.NET an empty text and a missing one are the same.</summary>
    public static Func<RowPart?> Create(DataViewRow row, InputColumn column, ImageCodecConfig size)
    {
        DataViewSchema.Column source = row.Schema[column.Name];
        if (column.IsImage)
        {
            Func<MLImage?> read = ImageReader(row.GetGetter<MLImage>(source));
            return () => read() is { } image
                ? new RowPart(null, ImageTensors.ToTensor(image, size.ImageHeight, size.ImageWidth).DetachFromDisposeScope()) : null;
        }
        ValueGetter<ReadOnlyMemory<char>> getter = row.GetGetter<ReadOnlyMemory<char>>(source);
        ReadOnlyMemory<char> text = default;
        return () =>
        {
            getter(ref text);
            return text.IsEmpty ? null : new RowPart(text.ToString(), null);
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
