using Microsoft.ML.Data;
using Shapes.Data;
using SkiaSharp;

namespace Microsoft.ML.Transfusion.Samples.Tests.Shapes;

public class CaptionedFolderTests
{
    [Fact]
    public void Write_exports_pictures_that_show_what_their_captions_say()
    {
        string folder = Directory.CreateTempSubdirectory("shapes").FullName;
        try
        {
            CaptionedFolder.Write(folder, count: 20, seed: 3);
            string[] lines = File.ReadAllLines(Path.Combine(folder, "captions.tsv"));
            Assert.Equal(21, lines.Length);
            IDataView loaded = new MLContext().Generation.LoadCaptionedImages(folder);
            Assert.Equal(lines.Skip(1).Select(line => line.Split('\t')[1]), loaded.GetColumn<string>("Caption"));
            Assert.All(lines.Skip(1), line =>
            {
                string[] cells = line.Split('\t');
                using SKBitmap picture = SKBitmap.Decode(Path.Combine(folder, cells[0]));
                byte[] rgb = [.. picture.Pixels.SelectMany(pixel => (byte[])[pixel.Red, pixel.Green, pixel.Blue])];
                Assert.Equal(Caption.Parse(cells[1]), Oracle.Read(rgb));
            });
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
